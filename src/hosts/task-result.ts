/**
 * How a worker of a TaskPool answers: errors travel as data, because structured clone would drop their code and details.
 * A worker's module exports its tasks wrapped by `task`.
 */
import { decodeError, type EncodedError, encodeError } from "../errors/error-codec.ts";

/** A task's result or error, as it crosses the thread boundary. */
export type TaskResult<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "error"; readonly error: EncodedError };

/** A task as a worker's module exports it. */
export type Task<Input, Output> = (input: Input) => Promise<TaskResult<Output>>;

/**
 * Wraps a function so that whatever it throws arrives as it was thrown.
 *
 * @example
 * ```ts
 * export const double = task((n: number) => 2 * n);
 * ```
 */
export function task<Input, Output>(run: (input: Input) => Output | Promise<Output>): Task<Input, Output> {
  return async function runTask(input) {
    try {
      return { kind: "value", value: await run(input) };
    } catch (error) {
      return { kind: "error", error: encodeError(error) };
    }
  };
}

/** @throws what the task threw */
export function taskValue<T>(result: TaskResult<T>): T {
  if (result.kind === "value") return result.value;
  throw decodeError(result.error);
}
