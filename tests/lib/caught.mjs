/** The error that a promise ends with; undefined when there is none. */
export const caught = (promise) => promise.then(() => undefined, (error) => error);

/** Everything that a stream gives, in a list. */
export async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}
