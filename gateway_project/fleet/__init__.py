"""`python -m gateway_project.fleet` (`make up`): keeps the processes of the Procfile alive, with .env around them.

Not `honcho start`: that ends the fleet with the first process that dies, kills after 5 s, where a bind may drain its
window for 30, and signals the pool children of Celery too, which must finish their tasks.
"""
