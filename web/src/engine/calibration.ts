/** From a network's logits to calibrated probabilities, as its file says. */

export interface Calibration {
  readonly temperature: number
  /** Instead of the temperature, where the file carries it; seven numbers each. */
  readonly by_class?: { readonly scale: readonly number[]; readonly bias: readonly number[] }
}

/** softmax(z / T), or softmax(scale × z + bias) of each class. */
export function probabilitiesOf(logits: ArrayLike<number>, how: Calibration): number[] {
  const { temperature, by_class: own } = how
  const calibrated = Array.from(logits, (value, index) =>
    own ? value * own.scale[index] + own.bias[index] : value / temperature,
  )
  const most = Math.max(...calibrated)
  const powers = calibrated.map((value) => Math.exp(value - most))
  const sum = powers.reduce((total, value) => total + value, 0)
  return powers.map((value) => value / sum)
}
