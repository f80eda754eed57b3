export function answer(operations: Readonly<Record<string, (argument: never) => unknown>>): void
export function ready(port?: number): void
