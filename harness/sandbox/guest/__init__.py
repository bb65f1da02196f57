"""What runs inside the walls: the zygote, its servers, their runs; copied in whole."""
