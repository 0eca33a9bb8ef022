"""Events as typed records, and how bytes become them."""
