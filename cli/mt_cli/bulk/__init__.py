"""Bulk inference in the cluster: what is asked for, the Job that does it, and how far it is."""
