// Starts telegram-test-api, which emulates Telegram's bot API: node server.js PORT, in a folder that has it installed.

const { createRequire } = require("node:module");
const TelegramServer = createRequire(`${process.cwd()}/`)("telegram-test-api");

new TelegramServer({ port: Number(process.argv[2]), host: "127.0.0.1" }).start().then(() => console.log("ready"));
