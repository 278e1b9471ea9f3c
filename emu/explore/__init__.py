"""Operations, schedules and the search; nothing here has heard of a CPU."""
