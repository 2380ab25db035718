// The ways in: the first owner's link, an invitation, a login, and registration where it is open.
import { useEffect, useRef, useState } from 'preact/hooks';
import { cleanName } from '../logic/identity.js';
import { explain } from '../logic/errors.js';
import { Field, PasswordField } from './field.jsx';
import { AlertIcon } from './icons.jsx';
import { Mark } from './mark.jsx';

const LOGIN = /^[a-z0-9][a-z0-9_.-]{1,31}$/;

function Card({ title, lead, children }) {
    return (
        <main class="auth">
            <div class="auth-card">
                <Mark />
                <h1>{title}</h1>
                {lead && <p class="quiet">{lead}</p>}
                {children}
            </div>
        </main>
    );
}

// What is wrong with what was typed, by field; empty when nothing is.
function complaintsOf({ login, name, password }) {
    const wrong = {};
    if (name !== undefined && !cleanName(name)) wrong.name = 'Your name, as the others will see it.';
    if (login !== undefined && !LOGIN.test(login.toLowerCase()))
        wrong.login = '2 to 32 letters, digits, “.”, “-” or “_”, beginning with a letter or digit.';
    if (password !== undefined && new TextEncoder().encode(password).length < 8)
        wrong.password = 'At least 8 characters.';
    return wrong;
}

// fields: which are asked for; check: complain about them before asking the server; run(values) asks it.
function AuthForm({ fields, action, checks = true, run, onIn, note, children }) {
    const [values, setValues] = useState(() => Object.fromEntries(fields.map((field) => [field, ''])));
    const [wrong, setWrong] = useState({});
    const [isBusy, setBusy] = useState(false);
    const set = (field) => (value) => {
        setValues({ ...values, [field]: value });
        if (wrong[field] || wrong.all) setWrong({ ...wrong, [field]: undefined, all: undefined });
    };
    const submit = async (event) => {
        event.preventDefault();
        const asked = { ...values };
        if (asked.login !== undefined) asked.login = asked.login.trim().toLowerCase();
        if (asked.name !== undefined) asked.name = cleanName(asked.name);
        const found = checks ? complaintsOf(asked) : {};
        if (Object.keys(found).length) {
            setWrong(found);
            form.current.querySelector(`[name=${fields.find((field) => found[field])}]`)?.focus();
            return;
        }
        setBusy(true);
        try {
            onIn(await run(asked));
        } catch (error) {
            setBusy(false);
            const { field } = error.details ?? {};
            const text =
                error.code === 401
                    ? 'That login and password do not belong together.'
                    : error.code === 409
                      ? 'That login is taken. Choose another.'
                      : explain(error);
            setWrong(fields.includes(field) || error.code === 409 ? { [field ?? 'login']: text } : { all: text });
            form.current.querySelector(`[name=${fields.includes(field) ? field : fields.at(-1)}]`)?.focus();
        }
    };
    const form = useRef();
    useEffect(() => form.current.querySelector('input, button')?.focus(), []);
    return (
        <form class="form" ref={form} onSubmit={submit} noValidate>
            {note}
            {fields.includes('name') && (
                <Field
                    label="Your name"
                    name="name"
                    autocomplete="name"
                    maxlength={64}
                    value={values.name}
                    onValue={set('name')}
                    error={wrong.name}
                />
            )}
            {fields.includes('login') && (
                <Field
                    label="Login"
                    name="login"
                    autocomplete="username"
                    autocapitalize="off"
                    spellcheck={false}
                    maxlength={32}
                    hint={checks ? 'What you sign in with; others mention you by it.' : undefined}
                    value={values.login}
                    onValue={set('login')}
                    error={wrong.login}
                />
            )}
            {fields.includes('password') && (
                <PasswordField
                    label="Password"
                    name="password"
                    autocomplete={checks ? 'new-password' : 'current-password'}
                    hint={checks ? 'At least 8 characters. A few words are better than one clever one.' : undefined}
                    value={values.password}
                    onValue={set('password')}
                    error={wrong.password}
                />
            )}
            {wrong.all && (
                <p class="form-error" role="alert">
                    <AlertIcon />
                    {wrong.all}
                </p>
            )}
            <button class="button primary wide" disabled={isBusy} aria-busy={isBusy}>
                {isBusy ? 'One moment…' : action}
            </button>
            {children}
        </form>
    );
}

export function SetupPage({ chat, state, code, onIn }) {
    if (!state.setup)
        return (
            <Card
                title="This team is set up already"
                lead="The link works once. Sign in with the login that was made by it.">
                <p class="auth-links">
                    <a class="button primary wide" href="#/">
                        Sign in
                    </a>
                </p>
            </Card>
        );
    return (
        <Card
            title="Welcome to Parley"
            lead="You are the first here. Make the owner’s account; everybody else comes by your invitation.">
            <AuthForm
                fields={['name', 'login', 'password']}
                action="Create the team"
                run={(values) => chat.auth.setup({ code, ...values })}
                onIn={onIn}
            />
        </Card>
    );
}

export function SignInPage({ chat, state, note, onIn }) {
    const [isNew, setNew] = useState(false);
    const team = state.name || 'Parley';
    if (state.setup)
        return (
            <Card
                title="Nobody is here yet"
                lead="The link for the first owner is in the server’s log. Open it to make the team.">
                <pre class="log-line">
                    <code>{`${location.origin}${location.pathname}#/setup/…`}</code>
                </pre>
            </Card>
        );
    if (isNew)
        return (
            <Card title={`Join ${team}`} lead="Anybody with the address may.">
                <AuthForm
                    fields={['name', 'login', 'password']}
                    action="Create the account"
                    run={(values) => chat.auth.register(values)}
                    onIn={onIn}
                />
                <p class="auth-links">
                    <button type="button" class="link" onClick={() => setNew(false)}>
                        I have an account
                    </button>
                </p>
            </Card>
        );
    return (
        <Card title={`Sign in to ${team}`}>
            <AuthForm
                fields={['login', 'password']}
                action="Sign in"
                checks={false}
                run={(values) => chat.auth.login(values)}
                onIn={onIn}
                note={
                    note && (
                        <p class="form-note" role="status">
                            {note}
                        </p>
                    )
                }
            />
            {state.registration === 'open' ? (
                <p class="auth-links">
                    New here?{' '}
                    <button type="button" class="link" onClick={() => setNew(true)}>
                        Create an account
                    </button>
                </p>
            ) : (
                <p class="fine">No account? Ask somebody of the team for an invitation.</p>
            )}
        </Card>
    );
}

export function InvitePage({ chat, state, code, onIn }) {
    const [invite, setInvite] = useState(null);
    const [error, setError] = useState(null);
    const [way, setWay] = useState('account');
    useEffect(() => {
        chat.auth.invite(code).then(setInvite, setError);
    }, [code]);
    if (error)
        return (
            <Card
                title={
                    error.code === 404 || error.code === 410
                        ? 'This invitation is over'
                        : 'The invitation could not be read'
                }
                lead={
                    error.code === 404 || error.code === 410
                        ? 'It was used, withdrawn, or has expired. Ask for a new one.'
                        : explain(error)
                }>
                <p class="auth-links">
                    <a class="button wide" href="#/">
                        Sign in instead
                    </a>
                </p>
            </Card>
        );
    if (!invite)
        return (
            <Card title="One moment…">
                <span class="spinner" role="status" aria-label="Reading the invitation" />
            </Card>
        );
    const room = typeof invite.room === 'object' ? invite.room?.name : null;
    const by = typeof invite.by === 'object' ? invite.by.name : null;
    const lead = `${by ?? 'Somebody'} invites you${room ? ` to #${room}` : ''}.`;
    if (state.user)
        return (
            <Card title={`Join ${room ? `#${room}` : invite.team || 'the team'}`} lead={lead}>
                <AuthForm
                    fields={[]}
                    action={`Join as ${state.user.name}`}
                    run={() => chat.auth.accept({ code })}
                    onIn={onIn}
                />
            </Card>
        );
    const isGuest = way === 'guest' && invite.guests;
    return (
        <Card title={`Join ${invite.team || 'the team'}`} lead={lead}>
            {invite.guests && (
                <div class="ways" role="group" aria-label="How to join">
                    <button type="button" aria-pressed={!isGuest} onClick={() => setWay('account')}>
                        With an account
                    </button>
                    <button type="button" aria-pressed={isGuest} onClick={() => setWay('guest')}>
                        As a guest
                    </button>
                </div>
            )}
            {isGuest ? (
                <AuthForm
                    key="guest"
                    fields={['name']}
                    action="Join as a guest"
                    run={({ name }) => chat.auth.accept({ code, guest: true, name })}
                    onIn={onIn}>
                    <p class="fine">A guest sees only the room of the invitation, in this browser.</p>
                </AuthForm>
            ) : (
                <AuthForm
                    key="account"
                    fields={['name', 'login', 'password']}
                    action="Join"
                    run={(values) => chat.auth.accept({ code, ...values })}
                    onIn={onIn}
                />
            )}
        </Card>
    );
}

export function NotePage({ title, lead, children }) {
    return (
        <Card title={title} lead={lead}>
            {children}
        </Card>
    );
}
