"""What ``lrgen diff`` and ``lrgen verify`` find out: where schedules, or anybody's code, part."""
