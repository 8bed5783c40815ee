"""The ways to run a phase: what each must offer (`protocol`), which there are (`known`), each in a file of its own."""
