"""What stands behind the Training tab: replays of trainings, recorded failures, and a training while one watches."""
