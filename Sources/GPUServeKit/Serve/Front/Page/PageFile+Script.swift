extension PageFile {
    /// Asks the interface every second, and for the bill every tenth; writes text only as text.
    static let scriptText = #"""
        "use strict";
        const at = id => document.getElementById(id);
        const parts = ["before", "engine", "ready", "canary"];
        let key = new URLSearchParams(location.hash.slice(1)).get("key") || sessionStorage.getItem("key");
        let bill = {}, total = null, rounds = 0, timer = null;
        // The key goes no further: not into the history, not into a copied address.
        if (location.hash) history.replaceState(null, "", location.pathname);

        class NoKey extends Error {}

        async function ask(path) {
          const answer = await fetch(path, { headers: { Authorization: "Bearer " + key }, cache: "no-store" });
          if (answer.status === 401) throw new NoKey();
          if (!answer.ok) throw new Error(path + " was answered with status " + answer.status);
          return answer.json();
        }

        function element(name, text, kind) {
          const made = document.createElement(name);
          if (text !== undefined) made.textContent = text;
          if (kind) made.className = kind;
          return made;
        }

        function drawn(name, fields, text) {
          const made = document.createElementNS("http://www.w3.org/2000/svg", name);
          for (const [field, value] of Object.entries(fields)) made.setAttribute(field, value);
          if (text !== undefined) made.textContent = text;
          return made;
        }

        const bytes = count => count >= 1e9 ? (count / 1e9).toFixed(2) + " GB" : (count / 1e6).toFixed(1) + " MB";
        const time = ms => ms >= 1000 ? (ms / 1000).toFixed(1) + " s" : ms.toFixed(ms < 10 ? 1 : 0) + " ms";
        const sum = (list, of) => list.reduce((all, one) => all + of(one), 0);
        const tokens = line => line ? line.prompt_tokens + line.answer_tokens : 0;
        const money = line => line ? (line.cost_is_partial ? "at least " : "") + "$" + line.cost_usd : "$0";

        function row(one) {
          const made = element("tr");
          const add = (text, kind) => made.appendChild(element("td", text, kind));
          const name = add(one.name);
          name.append(element("small", one.engine));
          const state = add();
          state.append(element("span", one.state, one.state + " state"));
          for (const replica of one.replicas) if (replica.failure) state.append(element("small", replica.failure));
          const tier = add(one.replicas.map(replica => replica.tier || "awake").join(", ") || "none");
          for (const lost of one.lost_tiers) tier.append(element("small", lost));
          add(bytes(sum(one.replicas, replica => replica.resident_bytes)), "number");
          add(sum(one.replicas, replica => replica.in_flight), "number");
          add(one.held, "number");
          add(one.requests, "number");
          add(time(one.predicted_wake_ms), "number").append(element("small", one.next_tier));
          add(tokens(bill[one.name]), "number");
          add(money(bill[one.name]), "number");
          return made;
        }

        function waterfall(one) {
          const wakes = one.wakes.slice(-8), high = 20, left = 190, wide = 640;
          const whole = wake => sum(parts, part => wake[part + "_ms"]);
          const longest = Math.max(1, ...wakes.map(whole));
          const picture = drawn("svg", { viewBox: `0 0 ${left + wide + 80} ${high * wakes.length}`, role: "img" });
          picture.append(drawn("title", {}, `the last ${wakes.length} ways of ${one.name} to readiness`));
          wakes.forEach((wake, index) => {
            const when = new Date(wake.ended_ms).toISOString().slice(11, 19);
            picture.append(drawn("text", { x: 0, y: index * high + 14 }, `${when} ${wake.tier}`));
            let from = left;
            for (const part of parts) {
              const width = wide * wake[part + "_ms"] / longest;
              const bar = drawn("rect", { class: part, x: from, y: index * high + 3, width, height: high - 6 });
              bar.append(drawn("title", {}, `${part}: ${time(wake[part + "_ms"])}`));
              picture.append(bar);
              from += width;
            }
            picture.append(drawn("text", { x: from + 6, y: index * high + 14 }, time(whole(wake))));
          });
          const figure = element("figure");
          figure.append(element("figcaption", one.name), picture);
          return figure;
        }

        function show(deployments) {
          const awake = deployments.filter(one => one.state === "ready").length;
          at("summary").textContent = `${awake} of ${deployments.length} awake, as of ${new Date().toLocaleTimeString()}`;
          at("deployments").replaceChildren(...deployments.map(row));
          at("none").hidden = deployments.length > 0;
          at("tokens").textContent = tokens(total);
          at("money").textContent = money(total);
          at("wakes").replaceChildren(...deployments.filter(one => one.wakes.length).map(waterfall));
          at("notes").replaceChildren(...deployments.flatMap(one =>
            one.notes.slice(-5).map(note => element("li", `${one.name}: ${note}`))));
          at("all").hidden = false;
        }

        async function round() {
          try {
            if (!key) throw new NoKey();
            if (rounds++ % 10 === 0) {
              const today = await ask("/api/bill?by=deployment&from=" + new Date().toISOString().slice(0, 10));
              bill = Object.fromEntries(today.lines.map(line => [line.name, line]));
              total = today.total;
            }
            show((await ask("/api/deployments")).deployments);
            sessionStorage.setItem("key", key);
            at("problem").hidden = true;
          } catch (error) {
            if (error instanceof NoKey) {
              if (key) problem("The daemon does not know that key.");
              sessionStorage.removeItem("key");
              key = null;
              at("ask").hidden = false;
              at("all").hidden = true;
              at("summary").textContent = "the interface needs a key";
              return;
            }
            problem(`The daemon cannot be asked: ${error.message}`);
          }
          timer = setTimeout(round, 1000);
        }

        function problem(text) {
          at("problem").textContent = text;
          at("problem").hidden = false;
        }

        at("ask").addEventListener("submit", event => {
          event.preventDefault();
          key = at("key").value.trim();
          at("key").value = "";
          at("ask").hidden = true;
          at("problem").hidden = true;
          clearTimeout(timer);
          rounds = 0;
          round();
        });
        round();

        """#
}
