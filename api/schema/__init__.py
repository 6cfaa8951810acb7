"""What the OpenAPI document says: shapes of bodies and an example for each operation. Nothing validates by these."""
