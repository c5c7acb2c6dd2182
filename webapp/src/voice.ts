/** Writing by voice, where the browser can do it and the person lets it. */
import { useRef, useState } from 'preact/hooks';
import { known } from './known';
import { locale, texts } from './texts';

/** What is used of the browsers' speech recognition; TypeScript does not know it yet. */
interface Recognition extends EventTarget {
  lang: string;
  start(): void;
  stop(): void;
  abort(): void;
}
/** Browsers hear nothing for a page that is not at https, or at this machine. */
const Recognizer: (new () => Recognition) | undefined = globalThis.isSecureContext
  ? ((globalThis as any).SpeechRecognition ?? (globalThis as any).webkitSpeechRecognition)
  : undefined;

export interface Voice {
  on: boolean;
  /** Why nothing was heard the last time; empty where something was. */
  trouble: string;
  toggle: () => void;
  /** Be done, without what is not understood yet. */
  abort: () => void;
}

/** Null where this browser hears nothing. `heard` gets what was said, sentence by sentence. */
export function useVoice(heard: (text: string) => void): Voice | null {
  const [running, setRunning] = useState<Recognition | null>(null);
  const [trouble, setTrouble] = useState('');
  const newest = useRef(heard);
  newest.current = heard;
  if (!Recognizer) return null;
  const start = () => {
    const recognition = new Recognizer();
    recognition.lang = locale;
    recognition.addEventListener('result', (event: any) => newest.current(saidIn(event)));
    recognition.addEventListener('error', (event: any) => setTrouble(troubleOf(event.error)));
    recognition.addEventListener('end', () => setRunning(null));
    recognition.start();
    setTrouble('');
    setRunning(recognition);
  };
  const abort = () => {
    setTrouble('');
    running?.abort();
  };
  return { on: running !== null, trouble, toggle: () => (running ? running.stop() : start()), abort };
}

/** The sentences that are new with this event, each as the browser understands it best. */
function saidIn({ results, resultIndex }: { results: ArrayLike<ArrayLike<{ transcript: string }>>; resultIndex: number }): string {
  const sentences = Array.from(results).slice(resultIndex);
  return sentences.map((understood) => understood[0]!.transcript.trim()).join(' ');
}

/** Source: the Web Speech API's SpeechRecognitionErrorCode. */
function troubleOf(code: string): string {
  const { voiceTroubles } = texts.composer;
  return code === 'aborted' ? '' : (known(voiceTroubles, code) ?? voiceTroubles.other!);
}
