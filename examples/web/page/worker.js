// The engine's side of the page: one device, at most one network out of a file and one training.
// Requests arrive as { id, op, ...arguments } and are answered as { id, value } or { id, error };
// what happens without being asked for goes out as { event, ... }.
import init, * as engine from './pixtape.js';

// Steps on their way to the device: enough to keep it busy, few enough to pause at once.
const IN_FLIGHT = 2;
// Seconds between samples, and between states kept in case the device is lost.
const SAMPLE_EVERY = 2, SNAPSHOT_EVERY = 20;

let device, net, weights, training, started;

const tell = (event, more, moved = []) => postMessage({ event, ...more }, moved);

// One thing at a time uses the engine: an export that waits refuses other calls on its object.
let last = Promise.resolve();
function alone(work) {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

async function open() {
  await (started ??= init());
  if (!navigator.gpu) throw new Error('WebGPU is not available in a worker of this browser');
  device = await engine.Device.request();
  const adapter = await navigator.gpu.requestAdapter();
  const info = adapter?.info ?? {};
  const limits = {}, wanted = ['maxStorageBufferBindingSize', 'maxBufferSize', 'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup', 'maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupsPerDimension'];
  for (const name of wanted) limits[name] = adapter?.limits[name];
  return {
    vendor: info.vendor ?? '', architecture: info.architecture ?? '', device: info.device ?? '',
    description: info.description ?? '', software: device.is_software(), kernels: device.family(),
    limits, features: [...(adapter?.features ?? [])].sort(),
  };
}

// A lost device takes everything with it. What can be made again is made again on a new one: the
// network from its file, the training from the last state that was kept.
async function recover() {
  tell('lost');
  const before = training;
  const old = device;
  try { net?.free(); before?.trainer?.free(); } catch { /* it was in use when the device went */ }
  net = undefined;
  try { old?.free(); } catch { /* the same */ }
  const about = await open();
  if (weights) net = engine.Net.load(device, weights);
  let back;
  if (before) {
    before.trainer = await make(before.settings, before.pairs);
    if (before.snapshot) before.trainer.restore(before.snapshot);
    back = before.trainer.steps();
  }
  tell('recovered', { about, step: back });
}

// Whatever fails for want of a device is done once more on a new one.
async function guarded(work) {
  try {
    return await work();
  } catch (error) {
    if (error?.name !== 'DeviceLost') throw error;
    await recover();
    return await work();
  }
}

async function make({ side, ngf, seed }, pairs) {
  const trainer = engine.Trainer.create(device, side, ngf, seed);
  if (pairs) for (const { input, target } of pairs) trainer.add_pair(input, target);
  else trainer.draw_pairs();
  return trainer;
}

async function sample(now) {
  const { trainer, samples } = training;
  for (const [at, rgba] of samples.entries()) {
    const output = await trainer.translate(rgba);
    tell('sample', { at, output, step: now }, [output.buffer]);
  }
}

// One step and what follows it. Returns whether to go on.
async function step() {
  const { trainer, settings } = training;
  trainer.submit(settings.rate);
  const now = trainer.steps();
  const rows = await trainer.losses(IN_FLIGHT);
  if (rows.length) report(rows);
  const time = performance.now() / 1000;
  if (time - training.sampled > SAMPLE_EVERY && training.seen > 0) {
    await sample(now);
    training.sampled = performance.now() / 1000;
  }
  if (time - training.kept > SNAPSHOT_EVERY) await keep();
}

async function keep() {
  const fresh = await training.trainer.snapshot();
  training.snapshot?.free();
  training.snapshot = fresh;
  training.kept = performance.now() / 1000;
}

function report(rows) {
  const width = training.names.length + 1;
  for (let at = 0; at < rows.length; at += width) {
    const row = rows.slice(at, at + width);
    if (row.some(value => !Number.isFinite(value))) {
      training.running = false;
      tell('stopped', { message: `the training diverged at step ${row[0]}: a loss is not finite; lower the learning rate and start anew` });
      return;
    }
    training.seen = row[0];
  }
  tell('losses', { rows, width });
}

async function finish() {
  const rows = await training.trainer.losses(0);
  if (rows.length) report(rows);
  await sample(training.trainer.steps());
  await keep();
}

async function run() {
  const mine = training;
  try {
    while (training === mine && mine.running) {
      await alone(() => guarded(async () => {
        if (training !== mine || !mine.running) return;
        await step();
        if (mine.until && mine.trainer.steps() >= mine.until) {
          mine.running = false;
          await finish();
          tell('paused', { step: mine.trainer.steps() });
        }
      }));
    }
  } catch (error) {
    mine.running = false;
    tell('stopped', { message: error?.message ?? String(error) });
  }
}

const operations = {
  open: () => open(),
  palette: () => ({ bytes: engine.palette(), names: engine.label_names() }),
  facade: ({ seed, number, heldOut, side }) => engine.facade(seed, number, heldOut, side),

  load({ bytes }) {
    const fresh = engine.Net.load(device, bytes);
    net?.free();
    [net, weights] = [fresh, bytes];
    return { text: net.describe(), multiple: net.multiple() };
  },
  async translate({ rgba, width, height, by }) {
    if (by === 'training') {
      if (!training) throw new Error('there is no training to draw with; start one first');
      return training.trainer.translate(rgba);
    }
    if (!net) throw new Error('there is no network yet; load weights first');
    return net.translate(rgba, width, height);
  },

  async start({ settings, pairs, samples, until }) {
    stop();
    const trainer = await make(settings, pairs);
    const now = performance.now() / 1000;
    training = { trainer, settings, pairs, samples, until, running: true, seen: 0, sampled: now, kept: now, names: trainer.loss_names() };
    setTimeout(run);
    return { names: training.names, text: trainer.describe(), pairs: trainer.pair_count() };
  },
  async pause() {
    if (!training) return 0;
    training.running = false;
    await finish();
    return training.trainer.steps();
  },
  resume({ until, rate }) {
    if (!training) throw new Error('there is no training; start one first');
    if (rate) training.settings.rate = rate;
    training.until = until;
    if (!training.running) {
      training.running = true;
      setTimeout(run);
    }
  },
  stop,
  async weights() {
    if (!training) throw new Error('there is no training; start one first');
    return training.trainer.weights();
  },

  // Milliseconds of one run, measured over as many as take a fifth of a second.
  async measure({ kind, sizes }) {
    const bench = engine.Bench[kind](device, ...sizes);
    try {
      const time = async count => {
        const start = performance.now();
        for (let at = 0; at < count; at++) bench.run();
        await device.done();
        return (performance.now() - start) / count;
      };
      await time(1);
      let count = 1, best = await time(1);
      while (best * count < 200 && count < 256) {
        count *= 2;
        best = Math.min(best, await time(count));
      }
      return { ms: best, flop: bench.flop(), bytes: bench.bytes() };
    } finally {
      bench.free();
    }
  },
  async check() {
    const verdict = await engine.check_kernels(device);
    const found = { kernels: verdict.kernels, messages: verdict.messages() };
    verdict.free();
    return found;
  },
  destroy: () => device.destroy(),
};

function stop() {
  if (!training) return;
  training.running = false;
  training.trainer.free();
  training.snapshot?.free();
  training = undefined;
}

onmessage = ({ data: { id, op, ...rest } }) => {
  alone(() => (op === 'open' || op === 'destroy' ? operations[op](rest) : guarded(() => operations[op](rest))))
    .then(value => postMessage({ id, value }, value?.buffer ? [value.buffer] : []))
    .catch(error => postMessage({ id, error: { name: error?.name ?? 'Error', message: error?.message ?? String(error) } }));
};
