// Talks to the worker: `call(op, arguments)` resolves with its answer.
const worker = new Worker('worker.js', { type: 'module' });
const waiting = new Map(), listeners = new Map();
let next = 1;

worker.onmessage = ({ data }) => {
  if (data.event) {
    listeners.get(data.event)?.(data);
    return;
  }
  const { resolve, reject } = waiting.get(data.id);
  waiting.delete(data.id);
  if (!data.error) return resolve(data.value);
  const error = new Error(data.error.message);
  error.name = data.error.name;
  reject(error);
};
worker.onerror = event => {
  event.preventDefault();
  const error = new Error(`the engine did not start: ${event.message ?? 'its files are missing'}; reload the page`);
  for (const { reject } of waiting.values()) reject(error);
  waiting.clear();
};

export function call(op, more = {}, moved = []) {
  const id = next++;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, op, ...more }, moved);
  });
}

// One listener for each event of the worker.
export const on = (event, listener) => listeners.set(event, listener);
