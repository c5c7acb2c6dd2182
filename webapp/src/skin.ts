/** How the page looks for whoever deploys it: its name, its logo and its colours; this file is the only one to change. */
export const skin = {
  /** The name that every page shows; empty is the texts' own, in their language. */
  name: '',
  /** An image of this site, square, from `webapp/public`. */
  logo: '/favicon.svg',
  /** Colours of light and of dark pages: of buttons and links, of the letters on them, and of one's own messages. */
  colours: {
    '--accent': ['#0f6cbd', '#62abf5'],
    '--accent-ink': ['#ffffff', '#0b1a28'],
    '--tint': ['#ebf3fc', '#0a2e4a'],
  } as Record<string, [light: string, dark: string]>,
};

for (const [name, [light, dark]] of Object.entries(skin.colours)) {
  globalThis.document?.documentElement.style.setProperty(name, `light-dark(${light}, ${dark})`);
}
