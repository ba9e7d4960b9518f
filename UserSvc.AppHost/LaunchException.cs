namespace UserSvc.AppHost;

/// <summary>The system cannot be started as asked; the message, for the person who asked, names the reason and the remedy.</summary>
internal sealed class LaunchException(string message, Exception? inner = null) : Exception(message, inner);
