"""Django's PostgreSQL backend with one thing more: a statement ends when the database has fallen silent (base.py)."""
