#pragma once

#include <string_view>

namespace store {

/// One report of one gateway on one limit, atomic. The clock is that of Redis, in whole ms that
/// have passed: a window is never opened early, and closes a ms early.
///
/// KEYS[1]: `freeway:{KEY}:RESET`, a JSON text:
///   charged, at       what was used in the present window; the level of a token bucket at `at`
///   slots             rolling: what was charged in a hundredth of the window, by its number
///   opens, closes     the present window; `tail` was charged so close to its end that the
///                     provider may count it in the next one (first_use)
///   quiet             nothing is handed out before: data was lost, reports are still coming in
///   hungry            who was denied, and until when the others give back what they don't use
///   gateways[id]      seq, charged (its own running sum), out (outstanding: held by calls under
///                     way or granted), expires, seen, limit, floor, credit
/// ARGV: id, seq, reset kind; then numbers: span, limit, opens, closes (fixed, calendar_month),
///   unit (1: whole amounts, 0: fractions), known (1: Redis has heard of this bucket from us),
///   charged (running sum), held, left (of the grant), floor (charged in the present window as
///   the gateway knows it), target (to have in hand), largest and least unmet need (0: none),
///   leaving (1: forget the gateway, it has given everything back).
/// Answers {now, granted beside `left`, ms from now for which all of it is valid, 1 if what is
///   left is to be given back}; valid = -1: not accepted (an older report, or another window).
inline constexpr std::string_view kReportScript = R"lua(
local id, seq, kind, arg = ARGV[1], tonumber(ARGV[2]), ARGV[3], 3
local function number() arg = arg + 1 return tonumber(ARGV[arg]) end
local span, limit, opens, closes = number(), number(), number(), number()
local unit, known, charged, held = number(), number(), number(), number()
local left, floor, target = number(), number(), number()
local largest, least, leaving = number(), number(), number()
local COUNTED_WITHIN, ALIVE, SETTLE, HUNGRY, MONTH = 2000, 3000, 2000, 1500, 30 * 86400000
local width, edge = span / 100, math.min(2500, span / 10)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fresh = '{"charged":0,"tail":0,"slots":{},"gateways":{}}'
local s = cjson.decode(redis.call('GET', KEYS[1]) or fresh)
local me = s.gateways[id]
local windowed = kind == 'fixed' or kind == 'calendar_month'
if (me and seq <= me.seq) or (windowed and (now < opens or now >= closes)) then
  return {now, '0', -1, 0}
end

local alive, own = 1, limit
for other, g in pairs(s.gateways) do
  if other ~= id and now - g.seen < ALIVE then
    alive = alive + 1
    limit = math.min(limit, g.limit)
  end
end
if kind == 'token_bucket' then
  s.charged = math.max(0, s.charged - (now - (s.at or now)) * math.min(limit, s.limit or limit) / span)
  s.at, s.limit = now, limit
elseif windowed and now >= (s.closes or 0) then
  s.charged, s.opens, s.closes = 0, opens, closes
elseif kind == 'first_use' and now >= (s.closes or now + 1) then
  s.charged, s.tail, s.opens, s.closes = s.tail, 0, nil, nil
  if s.charged > 0 then s.opens, s.closes = now, now + span end
end

local function take_back(amount)
  local order = {}
  for slot in pairs(s.slots) do order[#order + 1] = tonumber(slot) end
  table.sort(order)
  for _, slot in ipairs(order) do
    local name = string.format('%d', slot)
    local part = math.min(amount, s.slots[name])
    s.slots[name], amount = s.slots[name] - part, amount - part
  end
end
local function charge(amount, at)
  if amount == 0 or (s.opens and at < s.opens) then return end
  if kind == 'rolling' and amount < 0 then return take_back(-amount) end
  if kind == 'rolling' then
    local slot = string.format('%d', math.floor(at / width))
    s.slots[slot] = (s.slots[slot] or 0) + amount
    return
  end
  s.charged = math.max(0, s.charged + amount)
  if kind ~= 'first_use' or amount < 0 then return end
  if not s.closes then s.opens, s.closes = at, at + span end
  if at > s.closes - edge then s.tail = s.tail + amount end
end

for other, g in pairs(s.gateways) do
  if now >= g.expires then
    charge(g.out, g.expires)
    g.credit, g.out = g.credit + g.out, 0
    if other ~= id and now - g.seen > (kind == 'lifetime' and MONTH or 2 * span + 60000) then
      s.gateways[other] = nil
    end
  end
end
if not me then
  me = {charged = charged, credit = 0}
  if known == 1 then
    charge(floor, now)
    s.quiet = now + SETTLE
  end
end
local more = charged - me.charged
charge(more - math.max(0, math.min(more, me.credit)), now)
me.seq, me.charged, me.credit, me.out, me.seen = seq, charged, 0, held + left, now
me.limit, me.floor, s.gateways[id] = own, floor, me

local used, floors, out = s.charged, 0, 0
for slot, amount in pairs(s.slots) do
  if (tonumber(slot) + 1) * width + span <= now then s.slots[slot] = nil
  else used = used + amount end
end
for _, g in pairs(s.gateways) do
  out = out + g.out
  if now - g.seen < ALIVE then floors = math.max(floors, g.floor) end
end
local free = limit - math.max(used, floors) - out + 1e-9

local hungry = s.hungry and now < s.hungry['until'] and s.hungry.id ~= id
local denied = false
local goal = math.min(target, (free + left) / (2 * alive))
if largest > 0 and largest <= free + left then goal = math.max(goal, largest)
elseif least > 0 and least <= free + left then goal = math.max(goal, least)
else denied = least > 0 end
if denied then s.hungry = {id = id, ['until'] = now + HUNGRY} end
local give = denied or (hungry and least == 0)
local grant = math.max(0, math.min(goal - left, free))
if give or leaving == 1 or now < (s.quiet or 0) then grant = 0 end
if unit == 1 then grant = math.floor(grant) end

local valid = math.max(1000, span / 10)
if kind == 'lifetime' then valid = MONTH elseif s.closes then valid = math.max(0, s.closes - now - 1) end
me.out, me.expires = me.out + grant, now + valid + COUNTED_WITHIN
if leaving == 1 then
  charge(me.out, now)
  s.gateways[id] = nil
end
redis.call('SET', KEYS[1], cjson.encode(s))
if kind ~= 'lifetime' then redis.call('PEXPIRE', KEYS[1], math.floor(2 * span + 120000)) end
return {now, string.format('%.14g', grant), math.floor(valid), (give and left > 0) and 1 or 0}
)lua";

}  // namespace store
