"""The part of a model card that shows how to use the files, with code that gives what the predictor
gives.
"""

from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["usage"]


def usage(preprocessing: Preprocessing, file: str) -> str:
    """The section as Markdown: the `fer` command, the predictor, and bare onnxruntime.

    Args:
        preprocessing: of the network.
        file: name of the ONNX file.
    """
    code = "\n".join(_bare(preprocessing, file))
    return f"""## How to use

On the command line, faces found by a detector or given as crops:

```
fer fetch-detector  # once
fer predict photo.jpg --model {file} --detect
fer predict faces/ --model {file}
```

In Python, with the project's predictor (needs onnxruntime, numpy and OpenCV):

```
from fer_core.predict.predictor import Predictor

predictions = Predictor("{file}").predict([face])  # RGB, uint8 [H, W, 3]
print(predictions.top(3), predictions.decide(threshold=0.6))
```

With onnxruntime alone, for a square crop of one face:

```python
{code}
```"""


def _bare(preprocessing: Preprocessing, file: str) -> list[str]:
    side, offset = preprocessing.resized, (preprocessing.resized - preprocessing.size) // 2
    lines = [
        "import os",
        'os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is loaded, which reports '
        "its use otherwise",
        "import cv2, onnxruntime",
        'face = cv2.cvtColor(cv2.imread("face.png"), cv2.COLOR_BGR2RGB)',
        f"face = cv2.resize(face, ({side}, {side}), interpolation=cv2.INTER_AREA if len(face) > "
        f"{side} else cv2.INTER_LINEAR)",
    ]
    if offset or side != preprocessing.size:
        kept = f"{offset}:{offset + preprocessing.size}"
        lines.append(f"face = face[{kept}, {kept}].copy()")
    if preprocessing.clahe:
        tile = preprocessing.clahe_tile
        lines += [
            "lab = cv2.cvtColor(face, cv2.COLOR_RGB2LAB)",
            f"lab[:, :, 0] = cv2.createCLAHE({preprocessing.clahe_clip!r}, ({tile}, "
            f"{tile})).apply(lab[:, :, 0].copy())",
            "face = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)",
        ]
    return [
        *lines,
        f'session = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])',
        'probabilities = session.run(["probabilities"], {"image": face[None]})[0][0]',
    ]
