/** The adapter of eventemitter3: events whose names and arguments are checked, and listeners that cannot do harm. */
import { EventEmitter } from "eventemitter3";

/** Each event's name with its one argument. */
type EventMap<Events> = { [E in keyof Events]: (payload: Events[E]) => void };

/** The listening side. */
export interface EventSource<Events> {
  /**
   * @returns a function that ends listening.
   * @example
   * ```ts
   * const off = system.events.on("down", ({ ref, reason }) => console.log(ref.actor, reason.kind));
   * ```
   */
  on<E extends keyof Events>(event: E, listener: (payload: Events[E]) => void): () => void;
  once<E extends keyof Events>(event: E, listener: (payload: Events[E]) => void): () => void;
}

export class EventBus<Events extends object> implements EventSource<Events> {
  readonly #emitter = new EventEmitter<EventMap<Events>>();
  readonly #onListenerError: (event: keyof Events, error: unknown) => void;

  constructor(onListenerError: (event: keyof Events, error: unknown) => void) {
    this.#onListenerError = onListenerError;
  }

  on<E extends keyof Events>(event: E, listener: (payload: Events[E]) => void): () => void {
    // A listener that throws must not break whoever noticed the event, nor the other listeners.
    const guarded = (payload: Events[E]): void => {
      try {
        listener(payload);
      } catch (error) {
        this.#onListenerError(event, error);
      }
    };
    this.#subscribe(event, guarded);
    return () => void this.#emitter.off(event as never, guarded as never);
  }

  once<E extends keyof Events>(event: E, listener: (payload: Events[E]) => void): () => void {
    const off = this.on(event, (payload) => {
      off();
      listener(payload);
    });
    return off;
  }

  emit<E extends keyof Events>(event: E, payload: Events[E]): void {
    this.#emitter.emit(event as never, ...([payload] as never));
  }

  /** Removes every listener. */
  clear(): void {
    this.#emitter.removeAllListeners();
  }

  #subscribe<E extends keyof Events>(event: E, listener: (payload: Events[E]) => void): void {
    this.#emitter.on(event as never, listener as never);
  }
}
