"""Functions as code: declared, checked, discovered, found."""
