"""The tests of Opsicle."""
