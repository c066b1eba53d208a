/** In lists of token ids: where none stands. */
export const NO_TOKEN = -1;
