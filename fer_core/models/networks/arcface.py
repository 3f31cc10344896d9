"""ArcFace teacher: a trunk, an embedding, and two heads.

The plain linear head is only trained and used in the warm-up; the angular head is what gives logits
s cos(theta) at inference (Deng et al., "ArcFace", CVPR 2019). A teacher may be built without an
angular head, to show what that one brings: the plain head then stays.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_core.base.labels import N_CLASSES
from fer_core.models.networks.backbone import build_trunk

__all__ = ["ArcFaceNetwork", "arcface_logits"]


def arcface_logits(cosine: Tensor, labels: Tensor, margin: float, scale: float) -> Tensor:
    """s cos(theta_y + m) for the target class and s cos(theta_j) for the others (ArcFace, eq. 3).

    Past theta = pi - m, where cos(theta + m) would rise again, the target keeps falling linearly:
    cos(theta) - m sin(m).

    Args:
        cosine: [N, C] cosines in [-1, 1].
        labels: int64 [N].

    Returns:
        [N, C] logits in the cosine's dtype.
    """
    target = cosine.gather(1, labels[:, None])
    sine = (1 - target * target).clamp_min(1e-9).sqrt()
    shifted = target * math.cos(margin) - sine * math.sin(margin)
    shifted = torch.where(target > -math.cos(margin), shifted, target - margin * math.sin(margin))
    return scale * cosine.scatter(1, labels[:, None], shifted)


class ArcFaceNetwork(nn.Module):
    """Trunk, Linear -> BatchNorm -> SiLU -> Dropout embedding, plain head and angular head.

    Called with images it gives inference logits [N, 7] = s cos(theta), without a margin; of the
    plain head where there is no other.

    Args:
        arch: name of the trunk.
        size: image side in pixels.
        embed_dim: width of the embedding.
        dropout: probability in the embedding.
        scale: s; None for no angular head.
    """

    def __init__(
        self, arch: str, size: int, embed_dim: int, dropout: float, scale: float | None
    ) -> None:
        super().__init__()
        self.arch, self.embed_dim, self.dropout, self.scale = arch, embed_dim, dropout, scale
        self.trunk = build_trunk(arch, size)
        width: Any = getattr(self.trunk, "head_hidden_size", None) or self.trunk.num_features
        self.embedding = nn.Sequential(
            nn.Linear(int(width), embed_dim),
            nn.BatchNorm1d(embed_dim),
            nn.SiLU(),
            nn.Dropout(dropout),
        )
        self.plain = nn.Linear(embed_dim, N_CLASSES)
        if self.angular:
            self.centres = nn.Parameter(nn.init.xavier_uniform_(torch.empty(N_CLASSES, embed_dim)))

    @property
    def angular(self) -> bool:
        """Whether there is an angular head."""
        return self.scale is not None

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings [N, embed_dim] of images [N, 3, size, size]."""
        return self.embedding(self.trunk(images))

    def cosine(self, embeddings: Tensor) -> Tensor:
        """float32 [N, 7]: cosine between each embedding and each class centre; single precision
        also under autocast.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            return functional.linear(
                functional.normalize(embeddings.float()), functional.normalize(self.centres.float())
            )

    def forward(self, images: Tensor) -> Tensor:
        """Inference logits float32 [N, 7]."""
        embeddings = self.embed(images)
        if self.scale is None:
            return self.plain(embeddings).float()
        return self.scale * self.cosine(embeddings)
