/** Something that the page needs is not there. */
export class Missing extends Error {}
