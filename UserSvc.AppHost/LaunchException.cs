namespace UserSvc.AppHost;

/// <summary>The system cannot start as requested. The message tells the user why and what to do.</summary>
internal sealed class LaunchException(string message, Exception? inner = null) : Exception(message, inner);
