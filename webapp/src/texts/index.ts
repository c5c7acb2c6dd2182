/** The page's sentences in the language that was chosen, else in the browser's, else in English. */
import { known } from '../known';
import { preferences } from '../preferences';
import { skin } from '../skin';
import { de } from './de';
import { en, type Texts } from './en';

export const LANGUAGES: Record<string, Texts> = { en, de };

const wanted = [preferences().language, ...(globalThis.navigator?.languages ?? [])].filter((tag) => known(LANGUAGES, tag.split('-')[0]!));
/** How times are written: the language as somebody speaks it somewhere, as `en-GB`. */
export const locale = wanted[0] ?? 'en';
export const language = locale.split('-')[0]!;
export const texts: Texts = { ...LANGUAGES[language]!, ...(skin.name && { title: skin.name }) };
