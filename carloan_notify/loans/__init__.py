"""Pure loan arithmetic: calendars, schedules, changes, allocation, delinquency."""
