"""Pure decisions: no kopf, no client, no clock, no logging."""
