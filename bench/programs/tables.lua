-- Tables of numbers, strings and other tables: queues, a graph and a breadth-first search of it, and
-- lines that are put together and taken apart.
local nodes, edges = 30000, 4

local seed = 1
local function random(below)
    seed = seed * 16807 % 2147483647
    return seed % below + 1
end

local graph = {}
for i = 1, nodes do
    graph[i] = {name = "node " .. i, edges = {}}
end
for i = 1, nodes do
    for _ = 1, edges do
        local other = random(nodes)
        table.insert(graph[i].edges, {to = graph[other], weight = random(100)})
    end
end

local function reach(start)
    local depth, queue, sum = {[start] = 0}, {start}, 0
    for _, node in ipairs(queue) do
        sum = sum + depth[node]
        for _, edge in ipairs(node.edges) do
            if not depth[edge.to] then
                depth[edge.to] = depth[node] + 1
                queue[#queue + 1] = edge.to
            end
        end
    end
    return sum, #queue
end
for _ = 1, 4 do
    print(reach(graph[random(nodes)]))
end

local lines = {}
for i, node in ipairs(graph) do
    local names = {}
    for _, edge in ipairs(node.edges) do
        names[#names + 1] = edge.to.name .. "=" .. edge.weight
    end
    lines[i] = node.name .. ": " .. table.concat(names, ", ")
end
table.sort(lines)
local total = 0
for _, line in ipairs(lines) do
    for weight in line:gmatch("=(%d+)") do
        total = total + tonumber(weight)
    end
end
print(#lines, lines[1], lines[#lines], total)
