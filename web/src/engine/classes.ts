/** The seven classes in canonical order; index i of every probability vector is `CLASSES[i]`. */
export const CLASSES = ['Angry', 'Disgust', 'Fear', 'Happy', 'Sad', 'Surprise', 'Neutral'] as const

/** The label of no class: "uncertain", or no label by a person. */
export const NONE = -1

/** A class's name; empty for none. */
export function nameOf(index: number): string {
  return index < 0 ? '' : CLASSES[index]
}

/** Index of the greatest value, the first of equals. */
export function greatest(values: ArrayLike<number>): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i
  return best
}
