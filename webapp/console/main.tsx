import { render } from 'preact';
import { Console } from './console';
import { scopeOfBrowser } from './control';
import { Live } from './live';
import './style.css';

const live = new Live();
live.listen(scopeOfBrowser());
render(<Console live={live} />, document.getElementById('root')!);
