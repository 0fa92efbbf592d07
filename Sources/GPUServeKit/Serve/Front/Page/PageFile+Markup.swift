extension PageFile {
    /// What is there before anything is known.
    static let markupText = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>gpuserve</title>
        <link rel="stylesheet" href="/ui/page.css">
        <script src="/ui/page.js" defer></script>
        </head>
        <body>
        <header>
        <h1>gpuserve</h1>
        <p id="summary" aria-live="polite">asking the daemon</p>
        </header>
        <form id="ask" hidden>
        <label>Key of the state directory (its file <code>key</code>, or open the address that <code>gpuserve ui</code> prints)
        <input id="key" type="password" autocomplete="off" required></label>
        <button>Look</button>
        </form>
        <p id="problem" role="alert" hidden></p>
        <main id="all" hidden>
        <table>
        <thead><tr>
        <th>Deployment</th><th>State</th><th>Tier</th><th class="number">Memory</th><th class="number">At work</th>
        <th class="number">Waiting</th><th class="number">Requests</th><th class="number">Next wake</th>
        <th class="number">Tokens today</th><th class="number">Money today</th>
        </tr></thead>
        <tbody id="deployments"></tbody>
        <tfoot><tr><th colspan="8">All, since 00:00 UTC</th>
        <th class="number" id="tokens"></th><th class="number" id="money"></th></tr></tfoot>
        </table>
        <p id="none" hidden>Nothing is deployed yet: <code>gpuserve deploy NAME --engine llama.cpp --model FILE</code></p>
        <h2>The last ways to readiness</h2>
        <p class="legend"><span class="before">waiting, failed tries</span><span class="engine">process</span>
        <span class="ready">until ready</span><span class="canary">canary</span></p>
        <div id="wakes"></div>
        <h2>What happened</h2>
        <ul id="notes"></ul>
        </main>
        </body>
        </html>

        """#

    /// Colours that differ in lightness too, light and dark.
    static let styleText = #"""
        :root { color-scheme: light dark; --line: #8884; --before: #9aa0a6; --engine: #1a73e8; --ready: #12a4af;
          --canary: #e8a33d; --good: #188038; --bad: #c5221f; }
        body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 76rem; padding: 0 1rem; }
        header { display: flex; gap: 1.5rem; align-items: baseline; }
        h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
        .number { text-align: right; white-space: nowrap; }
        small { opacity: .7; display: block; }
        .state { white-space: nowrap; }
        .state::before { content: ""; display: inline-block; width: .65em; height: .65em; border-radius: 50%;
          margin-right: .45em; background: var(--before); }
        .ready.state::before { background: var(--good); } .failed.state::before { background: var(--bad); }
        .starting.state::before, .waking.state::before, .draining.state::before { background: var(--canary); }
        .asleep.state::before { background: var(--engine); }
        #problem { color: var(--bad); }
        .legend span { margin-right: 1rem; }
        .legend span::before { content: ""; display: inline-block; width: .8em; height: .8em; margin-right: .35em; }
        .legend .before::before { background: var(--before); } .legend .engine::before { background: var(--engine); }
        .legend .ready::before { background: var(--ready); } .legend .canary::before { background: var(--canary); }
        rect.before { fill: var(--before); } rect.engine { fill: var(--engine); }
        rect.ready { fill: var(--ready); } rect.canary { fill: var(--canary); }
        figure { margin: 0 0 1rem; } figcaption { font-weight: 600; }
        svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: currentColor; }
        input { display: block; font: inherit; width: 24rem; max-width: 100%; margin: .4rem 0; }

        """#
}
