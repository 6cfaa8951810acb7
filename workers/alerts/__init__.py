"""What raises alerts by the clock. Rows are kept by common.alerts; e-mail and SMS to operators come with a later step.

lines   carrier lines that should be up and are not
"""
