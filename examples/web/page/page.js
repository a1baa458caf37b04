// The page: what is there, tabs, the network in use, and what the worker tells.
import { call, on } from './engine.js';
import * as draw from './draw.js';
import * as image from './image.js';
import * as train from './train.js';
import * as device from './device.js';

const find = id => document.getElementById(id);
const status = text => { find('status').textContent = text; };

function missing(why) {
  status('no WebGPU');
  find('missing-why').textContent = why;
  find('missing').hidden = false;
  document.querySelector('nav').hidden = document.querySelector('main').hidden = true;
}

function tabs() {
  const all = [...document.querySelectorAll('[role=tab]')];
  const open = tab => {
    for (const other of all) {
      const chosen = other === tab;
      other.setAttribute('aria-selected', chosen);
      other.tabIndex = chosen ? 0 : -1;
      find(other.getAttribute('aria-controls')).hidden = !chosen;
    }
    history.replaceState(null, '', `#${tab.getAttribute('aria-controls')}`);
  };
  all.forEach((tab, at) => {
    tab.onclick = () => open(tab);
    tab.onkeydown = ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const other = all[(at + step + all.length) % all.length];
      other.focus();
      open(other);
    };
  });
  const asked = all.find(tab => `#${tab.getAttribute('aria-controls')}` === location.hash);
  if (asked) open(asked);
}

function about({ vendor, architecture, description, software, kernels }) {
  const name = description || [vendor, architecture].filter(Boolean).join(' ') || 'WebGPU';
  status(software ? `${name}: no GPU, computed on the CPU (slow); ${kernels} kernels` : `${name}; ${kernels} kernels`);
}

// The weights that came with the page, if it was built with some: the build lists them.
async function shipped() {
  const [name] = await (await fetch('shipped.json')).json();
  return name && new Uint8Array(await (await fetch(name)).arrayBuffer());
}

async function main() {
  tabs();
  if (!isSecureContext) return missing('It was opened over plain http, where browsers hide WebGPU: use https, or localhost.');
  if (!navigator.gpu) return missing('This browser has no WebGPU, or has it turned off.');
  if (!await navigator.gpu.requestAdapter().catch(() => null)) return missing('This browser has WebGPU, and no adapter for it: the graphics driver is missing, blocked or too old.');
  let facts;
  try {
    facts = await call('open');
  } catch (error) {
    return missing(error.message);
  }
  about(facts);
  device.start(facts);
  on('lost', () => status('the device was lost; asking for a new one…'));
  on('recovered', ({ about: fresh, step }) => {
    about(fresh);
    train.recovered(step);
    draw.refresh();
  });
  train.start(() => find('tab-draw').click());
  image.start();
  await draw.start();
  const bytes = await shipped();
  if (bytes) await image.load(bytes, 'the network that came with the page');
  else draw.without();
  performance.mark('ready');
  document.documentElement.dataset.ready = 'yes';
}

main().catch(error => {
  status(`stopped: ${error.message}`);
  throw error;
});
