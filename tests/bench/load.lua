-- What wrk sends: wrk ... -s tests/bench/load.lua URL -- API WORK KEYS SALT [QUERY]
--
--   API    mydht, etcd2 (the v2 API), etcd3 (the JSON gateway of the v3 API)
--   WORK   put    overwrites keys at random
--          new    writes keys that nobody has written
--          get    reads keys at random
--          sweep  reads each key once, in a random order, then all of them again
--          mixed  four reads to one write, zipfian keys (s = 0.99)
--   KEYS   how many keys there are, from k00000000 up
--   SALT   of the values, so that writing one anew changes it
--   QUERY  of the reads, and of the writes behind a slash: consistency=one, quorum=true, /consistency=strong
--
-- BENCH_SPREAD=HOST:PORT,HOST:PORT spreads the threads over these addresses.
-- Requests are made before the load begins, so that the client costs as little as it can.

local VALUE_BYTES = 100
-- Of more keys than this, requests are made one by one: they would not fit into memory.
local MAX_MADE = 100000
local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local threads = {}

local function base64(text)
  local out = {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    for j = 1, 4 do
      local at = math.floor(bits / 64 ^ (4 - j)) % 64 + 1
      out[#out + 1] = ((j == 3 and not b) or (j == 4 and not c)) and "=" or ALPHABET:sub(at, at)
    end
  end
  return table.concat(out)
end

local function value_of(key, salt)
  local head = key .. "." .. salt .. "."
  return head .. ("x"):rep(VALUE_BYTES - #head)
end

local function raw(method, path, body, kind)
  local head = method .. " " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\n"
  if not body then return head .. "\r\n" end
  if kind then head = head .. "Content-Type: " .. kind .. "\r\n" end
  return head .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

local function with(path, query)
  return (query == nil or query == "") and path or (path .. "?" .. query)
end

local apis = {
  mydht = {
    put = function(key, salt, query) return raw("PUT", with("/keys/" .. key, query), value_of(key, salt)) end,
    get = function(key, query) return raw("GET", with("/keys/" .. key, query)) end,
  },
  etcd2 = {
    put = function(key, salt, query)
      local body = "value=" .. value_of(key, salt)
      return raw("PUT", with("/v2/keys/" .. key, query), body, "application/x-www-form-urlencoded")
    end,
    get = function(key, query) return raw("GET", with("/v2/keys/" .. key, query)) end,
  },
  etcd3 = {
    put = function(key, salt)
      local body = '{"key":"' .. base64(key) .. '","value":"' .. base64(value_of(key, salt)) .. '"}'
      return raw("POST", "/v3/kv/put", body, "application/json")
    end,
    get = function(key)
      return raw("POST", "/v3/kv/range", '{"key":"' .. base64(key) .. '"}', "application/json")
    end,
  },
}

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
  local spread = os.getenv("BENCH_SPREAD")
  if not spread then return end
  local addresses = {}
  for host, port in spread:gmatch("([^:,]+):(%d+)") do addresses[#addresses + 1] = wrk.lookup(host, port)[1] end
  thread.addr = addresses[(#threads - 1) % #addresses + 1]
end

local function name(i) return ("k%08d"):format(i) end

-- Numbers below n, drawn by Zipf's law: the first is the most frequent.
local function zipfian(n, count)
  local sums, sum = {}, 0
  for i = 1, n do
    sum = sum + 1 / i ^ 0.99
    sums[i] = sum
  end
  local drawn = {}
  for i = 1, count do
    local u, low, high = math.random() * sum, 1, n
    while low < high do
      local middle = math.floor((low + high) / 2)
      if sums[middle] < u then low = middle + 1 else high = middle end
    end
    drawn[i] = low - 1
  end
  return drawn
end

local works = {}

function works.put(api, keys, salt, _, write_query)
  local made = {}
  return function()
    local i = math.random(0, keys - 1)
    local one = made[i]
    if not one then
      one = api.put(name(i), salt, write_query)
      if keys <= MAX_MADE then made[i] = one end
    end
    return one
  end
end

function works.new(api, _, salt, _, write_query)
  made = 0
  return function()
    local key = ("n%s-%d-%08d"):format(salt, number, made)
    made = made + 1
    return api.put(key, salt, write_query)
  end
end

function works.get(api, keys, _, read_query)
  local made = {}
  return function()
    local i = math.random(0, keys - 1)
    local one = made[i]
    if not one then
      one = api.get(name(i), read_query)
      if keys <= MAX_MADE then made[i] = one end
    end
    return one
  end
end

function works.sweep(api, keys, _, read_query)
  -- A step that shares no factor with the number of keys visits each of them once; here a prime.
  local at, step = math.floor(number * keys / 2), 7919
  return function()
    at = (at + step) % keys
    return api.get(name(at), read_query)
  end
end

function works.mixed(api, keys, salt, read_query, write_query)
  local drawn, at, made = zipfian(keys, 65536), 0, { {}, {} }
  return function()
    at = at % #drawn + 1
    local i, writes = drawn[at], math.random() < 0.2
    local known = made[writes and 2 or 1]
    if not known[i] then
      known[i] = writes and api.put(name(i), salt, write_query) or api.get(name(i), read_query)
    end
    return known[i]
  end
end

function init(args)
  local api, work, keys, salt = apis[args[1]], works[args[2]], tonumber(args[3]), args[4]
  local read_query, write_query = (args[5] or ""):match("^([^/]*)/?(.*)$")
  math.randomseed(os.time() * 16 + number)
  request = work(api, keys, salt, read_query, write_query)
end

function done(summary, latency)
  local errors, least = summary.errors, nil
  for _, thread in ipairs(threads) do
    local made = thread:get("made")
    if made and (not least or made < least) then least = made end
  end
  local line = "result duration=%d requests=%d connect=%d read=%d write=%d status=%d timeout=%d"
  io.write(line:format(summary.duration, summary.requests, errors.connect, errors.read, errors.write,
    errors.status, errors.timeout))
  for _, percent in ipairs({ 50, 90, 99, 99.9 }) do
    io.write((" p%s=%d"):format(percent, latency:percentile(percent)))
  end
  io.write((" max=%d made=%d threads=%d\n"):format(latency.max, least or 0, #threads))
end
