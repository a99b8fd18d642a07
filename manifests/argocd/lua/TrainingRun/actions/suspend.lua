-- Stop the run's Job; its checkpoints stay.
obj.spec.suspend = true
return obj
