"""The REST service: PointcloudJobs for people and programs without kubectl."""
