/** What the two kinds of SentencePiece models have in common. */

/** A stretch of the normalised text and the piece it is; null where the vocabulary has none. */
export interface EncodedPiece {
  readonly text: string;
  readonly id: number | null;
}

/** Cuts a normalised text into pieces; joined, they are the text. */
export type PieceEncoder = (text: string) => readonly EncodedPiece[];
