"""`fer live`: a camera, a video, a folder of frames or a stream."""
