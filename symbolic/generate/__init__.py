"""Write music: hide a passage and let a backbone fill it by iterative unmasking."""
