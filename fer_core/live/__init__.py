"""Expressions in moving pictures: faces tracked, answers smoothed in time, sessions written and
scored. Needs numpy, OpenCV and onnxruntime only.
"""
