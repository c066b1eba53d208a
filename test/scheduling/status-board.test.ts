import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createStatusBoard,
  readStatus,
  STATUS_FIELDS,
  type StatusFigures,
  StatusWriter,
} from "../../src/scheduling/status-board.ts";

function figures(value: number): StatusFigures {
  return Object.fromEntries(STATUS_FIELDS.map((field) => [field, value])) as StatusFigures;
}

test("an unwritten board reads as zeros", () => {
  assert.deepEqual(readStatus(createStatusBoard()), figures(0));
});

test("totals go on where an earlier scheduler left them; momentary figures start afresh", () => {
  const board = createStatusBoard();
  new StatusWriter(board).write(figures(5));
  const second = new StatusWriter(board);
  second.write(figures(1));
  second.write(figures(2));
  const { steps, generationTokens, numRunning, numFreePages } = readStatus(board);
  assert.deepEqual(
    { steps, generationTokens, numRunning, numFreePages },
    { steps: 7, generationTokens: 7, numRunning: 2, numFreePages: 2 },
  );
});
