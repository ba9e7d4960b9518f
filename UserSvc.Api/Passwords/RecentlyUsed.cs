using System.Diagnostics.CodeAnalysis;

namespace UserSvc.Api.Passwords;

/// <summary>A dictionary of at most <paramref name="limit"/> entries that forgets the least recently used one first. Not thread-safe.</summary>
internal sealed class RecentlyUsed<TKey, TValue>(int limit)
    where TKey : notnull
{
    private readonly Dictionary<TKey, LinkedListNode<(TKey Key, TValue Value)>> _entries = [];
    private readonly LinkedList<(TKey Key, TValue Value)> _byUse = [];

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (!_entries.TryGetValue(key, out var node))
        {
            value = default;
            return false;
        }

        _byUse.Remove(node);
        _byUse.AddLast(node);
        value = node.Value.Value;
        return true;
    }

    public void Set(TKey key, TValue value)
    {
        Remove(key);
        if (_entries.Count >= limit)
        {
            Remove(_byUse.First!.Value.Key);
        }

        _entries.Add(key, _byUse.AddLast((key, value)));
    }

    public void Remove(TKey key)
    {
        if (_entries.Remove(key, out var node))
        {
            _byUse.Remove(node);
        }
    }

    /// <summary>Looks at every entry.</summary>
    public void RemoveWhere(Func<TKey, bool> matches)
    {
        foreach (var key in _entries.Keys.Where(matches).ToList())
        {
            Remove(key);
        }
    }
}
