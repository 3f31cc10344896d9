"""Parameters of networks and of their initial weights."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fer_core.base.params import Arch, Section

__all__ = ["ArcFaceOptions", "InitOptions", "TeacherEntry", "TeacherHead", "Teachers"]


Origin = Literal["none", "hub", "local"]


class InitOptions(Section):
    """Where initial weights come from.

    Attributes:
        pretrained: "none" (random, seeded), "hub" (timm's own download) or "local" (a file of the
            weights folder, `FER_WEIGHTS`).
        archs: architectures with another source than that, so that one pretrained network can be
            used beside others from scratch.
        sha256: with "local", the hash of each architecture's file, so that the result depends on
            the file's content.
        min_matched: least share of the backbone's parameters that loaded weights must cover.
    """

    pretrained: Origin
    archs: dict[str, Origin] = Field(default_factory=dict)
    sha256: dict[str, str]
    min_matched: Annotated[float, Field(ge=0, le=1)]

    def origin_of(self, arch: str) -> Origin:
        """Where the weights of an architecture come from."""
        return self.archs.get(arch, self.pretrained)


class ArcFaceOptions(Section):
    """Additive angular margin (Deng et al., CVPR 2019) and how it is
    brought in.

    Attributes:
        margin: m, in radians.
        scale: s, by which cosines are multiplied before the softmax.
        warmup_epochs: epochs on a plain linear head before the angular head is used.
        ramp_end: epoch from which the margin is whole; it grows linearly from 0 at the end of the
            warm-up.
    """

    margin: Annotated[float, Field(ge=0, lt=1.5)]
    scale: Annotated[float, Field(gt=0)]
    warmup_epochs: Annotated[int, Field(ge=0)]
    ramp_end: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _ordered(self) -> "ArcFaceOptions":
        if self.ramp_end < self.warmup_epochs:
            raise ValueError("ramp_end must not be before warmup_epochs")
        return self

    def margin_at(self, epoch: int) -> float:
        """Margin in an epoch counted from 0: 0 at the end of the warm-up, whole from `ramp_end`
        on.
        """
        if epoch >= self.ramp_end:
            return self.margin
        return (
            self.margin
            * max(0, epoch - self.warmup_epochs)
            / max(1, self.ramp_end - self.warmup_epochs)
        )


class TeacherEntry(Section):
    """The teachers by tag.

    Attributes:
        arch: timm name, such a name and _firstN for its first N blocks, or resnet9_wN.
        stage: "a", or "b" for a second training at another image size (section `teacher_b`); whose
            model goes on to logits.
        a: what differs for this teacher from section `teacher`, such as {train: {epochs: 60}}.
        b: what differs for it from section `teacher_b`.
    """

    arch: Arch
    stage: Literal["a", "b"] = "a"
    a: dict[str, Any] = Field(default_factory=dict)
    b: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_use(self) -> "TeacherEntry":
        if self.b and self.stage == "a":
            raise ValueError("b has no effect without stage: b")
        if of_all := {"folds", "mirror"} & set(self.a):
            raise ValueError(f"the same for all teachers: {', '.join(sorted(of_all))}")
        return self


class TeacherHead(Section):
    """The embedding before the classifier.

    Attributes:
        embed_dim: width of the embedding.
        dropout: probability in the embedding.
        angular: whether an angular head (section `arcface`) takes over after its warm-up; false
            keeps the plain linear head, an arm that shows what ArcFace brings.
    """

    embed_dim: Annotated[int, Field(ge=8)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    angular: bool = True


Teachers = dict[str, TeacherEntry]
"""The model of the section `teachers`."""
