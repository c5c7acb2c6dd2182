/** The page that draws a diagram, in a frame without an origin: whatever the library makes of a model's words reaches nothing of ours.
 * To WebKit 'self' is nothing where there is no origin, so the policy names loopback beside it: rehearsed, diagrams are drawn there
 * too. A deployed site that wants them in Safari adds its own `https://HOST/assets/`; without, Safari shows their code. */
import mermaid from 'mermaid';

const root = document.documentElement;
const tell = (said: unknown) => parent.postMessage(said, '*'); // whose origin this frame cannot know
const box = document.body.appendChild(document.createElement('main'));

addEventListener('message', ({ source, data }) => {
  if (source !== parent || parent === window) return;
  root.classList.toggle('dark', data.dark);
  draw(data).catch(() => tell('failed'));
});

/** On paper a dark one is drawn light. */
async function draw({ text, dark }: { text: string; dark: boolean }): Promise<void> {
  const drawn = [];
  for (const look of dark ? ['light', 'dark'] : ['light']) {
    mermaid.initialize({
      startOnLoad: false,
      securityLevel: 'strict',
      htmlLabels: false, // text is text
      suppressErrorRendering: true,
      theme: look === 'dark' ? 'dark' : 'default',
      fontFamily: 'system-ui, sans-serif',
    });
    drawn.push(`<div class="${look}">${(await mermaid.render(`diagram-${look}`, text)).svg}</div>`);
  }
  box.innerHTML = drawn.join('');
}

new ResizeObserver(() => tell(Math.ceil(box.getBoundingClientRect().height))).observe(box);
tell('ready');
