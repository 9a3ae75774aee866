"""Systems that Fast-SNOW is compared with."""
