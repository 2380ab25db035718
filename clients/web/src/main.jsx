import { render } from 'preact';
import './style/base.css';
import './style/frame.css';
import './style/chat.css';
import './style/message.css';
import './style/overlay.css';
import './style/forms.css';
import './style/panel.css';
import './style/feed.css';
import { App } from './ui/app.jsx';
import { restoreTheme } from './ui/theme.js';

restoreTheme();
render(<App />, document.getElementById('app'));
