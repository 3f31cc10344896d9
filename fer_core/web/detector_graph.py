"""YuNet for any size of picture: outside OpenCV its published graph takes 640 x 640 pixels only."""

import onnx

__all__ = ["free_input_size"]


def free_input_size(detector: bytes) -> bytes:
    """The detector's graph with height and width left open; weights and operators stay as they are.

    Only declared shapes name the size 640: of the input, of the outputs, and of values in between.

    Args:
        detector: bytes of the published file (`fer_core.predict.detection.read_detector`).

    Returns:
        An ONNX file whose input is float32 [1, 3, height, width], BGR from 0 to 255, with both
        sides multiples of 32; each output has a row for every cell of its stride.
    """
    model = onnx.load_from_string(detector)
    sides = model.graph.input[0].type.tensor_type.shape.dim
    sides[2].dim_param, sides[3].dim_param = "height", "width"
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name.split('_')[1]}"
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)
